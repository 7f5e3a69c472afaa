cd context
echo > f
