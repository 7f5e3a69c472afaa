mkdir -p files/dir/sub
echo hello > files/dir/file
ln files/dir/file files/hard
ln -s dir/file files/soft
echo run > files/tool
chmod 4750 files/tool
chmod 0700 files/dir/sub
tar -C files --owner=12:12 --group=34:34 --sort=name --mtime=@1700000000 -cf context/plain.tar .
gzip -nk < context/plain.tar > context/gzip.tar.gz
bzip2 < context/plain.tar > context/bzip2.tar.bz2
xz -T1 < context/plain.tar > context/xz.tar.xz
zstd -q < context/plain.tar > context/zstd.tar.zst
cp context/gzip.tar.gz context/misnamed.txt
