cd context
mkdir d
echo x > d/f
ln d/f d/h
ln -s f d/s
o="--owner=7 --group=8"
tar $o --format=v7 -cf v7.tar d
tar $o --format=gnu -czf old.tgz d
tar $o -cjf b.tar.bz2 d
tar $o --zstd -cf z.tar.zst d
cp old.tgz name-without-ext
echo "not a tar" > plain.tar
rm -r d
