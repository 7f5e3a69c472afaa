cd context
mkdir d
head -c 100000 /dev/urandom > d/f
tar -czf b.gz d
head -c 50000 b.gz > a.tar.gz
rm -r d b.gz
