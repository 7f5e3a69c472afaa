echo hello > file
tar --owner=0:0 --group=0:0 --mtime=@1700000000 -cf context/plain.tar file
head -c 40 /bin/sh > context/broken.tar.gz
echo 'no archive' > context/text.tar
