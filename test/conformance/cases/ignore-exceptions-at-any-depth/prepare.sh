cd context
for d in a b c/d/e/f g
do mkdir -p subdir-a/$d sub/subdir-$d
echo $d > subdir-a/$d/f
echo x > sub/subdir-$d/file-a
echo z > sub/subdir-$d/file-c
done
printf '**/*-a\n!**/*-c' > .dockerignore
chmod 100 .dockerignore
