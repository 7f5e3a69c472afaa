cd context
echo "9.9.9.9 nine" > hosts
