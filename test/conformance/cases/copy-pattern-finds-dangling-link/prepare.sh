cd context
mkdir -p real d
echo a > real/a
ln -s real l1
ln -s real/a l2
ln -s nowhere l3
ln -s ../real d/l1
