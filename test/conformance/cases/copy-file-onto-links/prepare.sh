cd context
echo a > f
