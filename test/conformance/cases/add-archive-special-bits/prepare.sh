cd context
for m in 4755 2755 1755
do echo c > f$m
mkdir d$m
chmod $m f$m d$m
done
tar -cf archive.tar f4755 f2755 f1755 d4755 d2755 d1755
rm -r f?755 d?755
