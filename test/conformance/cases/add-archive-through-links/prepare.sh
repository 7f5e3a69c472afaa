cd context
mkdir link dangling
echo x > link/f
echo y > dangling/g
tar -cf a.tar link/f dangling/g
rm -r link dangling
