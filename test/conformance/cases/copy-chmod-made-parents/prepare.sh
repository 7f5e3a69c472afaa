cd context
mkdir -p dir/sub
echo a > dir/a
echo b > dir/sub/b
echo f > f
