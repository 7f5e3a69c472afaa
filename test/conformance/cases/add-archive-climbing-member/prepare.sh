cd context
mkdir d
echo x > d/f
tar -P --transform 's,^d/f,../up/f,' -cf a.tar d/f
rm -r d
