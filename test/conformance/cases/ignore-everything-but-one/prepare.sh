cd context
mkdir -p folder/subfolder/d
echo 1 > folder/1
echo 2 > folder/subfolder/file
echo 3 > folder/subfolder/d/3
echo 4 > folder/subfolder/other
printf '**\n!folder/subfolder/file\n' > .dockerignore
