printf '\375\067\172\130\132\000\000\004\346\326\264\106\002\000\041\001\026\000' > context/broken.xz
printf '\037\213\010\000junk that no inflater takes' > context/broken.gz
printf 'BZh9 a sentence' > context/broken.bz2
printf '\050\265\057\375 and then nothing' > context/broken.zst
printf 'some text\n' | gzip -n > context/text.gz
# Ends before the first header of the archive does.
printf 'hello\n' > hello
tar --owner=0 --group=0 --mtime=@1700000000 -cf hello.tar hello
gzip -n < hello.tar | head -c 40 > context/short.tar.gz
