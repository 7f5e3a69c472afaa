mkdir -p files/dir files/link
echo new > files/dir/file
echo through > files/link/file
tar -C files --owner=0:0 --group=0:0 --sort=name --mtime=@1700000000 -cf context/files.tar .
