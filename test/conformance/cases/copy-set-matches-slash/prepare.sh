cd context
mkdir a
echo > a/b
echo > c1
