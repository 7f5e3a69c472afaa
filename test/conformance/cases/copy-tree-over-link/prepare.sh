cd context
mkdir -p tree1/dir tree2/dir
ln -s dir tree1/link
echo a > tree1/dir/a
mkdir tree2/link
echo b > tree2/link/b
