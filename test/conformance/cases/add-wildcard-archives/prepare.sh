for n in a b; do echo $n > $n; tar --owner=0:0 --group=0:0 --mtime=@1700000000 -cf context/$n.tar $n; done
echo text > context/c.txt
