cd context
echo c > x
python3 -c "import os
os.setxattr('x','user.a',b'test')"
tar --xattrs -cf archive.tar x
rm x
