cd context
echo 1 > file
echo 2 > file2
