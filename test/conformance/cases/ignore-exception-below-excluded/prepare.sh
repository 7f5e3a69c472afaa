cd context
mkdir -p a/subdir-e/subdir-f/x a/subdir-e/y
for f in a/1 a/subdir-e/2 a/subdir-e/subdir-f/3 a/subdir-e/subdir-f/x/4 a/subdir-e/y/5
do echo $f > $f
done
printf '**/subdir-e\n!**/subdir-f' > .dockerignore
