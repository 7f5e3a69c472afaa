cd context
mkdir test
head -c 3000 /dev/zero > test/foo
tar -cf t test/foo
head -c 1500 t > test.tar
rm -r t test
