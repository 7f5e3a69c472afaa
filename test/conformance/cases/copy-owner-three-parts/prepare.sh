cd context
echo > script
