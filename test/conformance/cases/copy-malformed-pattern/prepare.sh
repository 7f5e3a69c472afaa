cd context
echo > a
