cd context
printf '\357\273\277a\r\nb\r\n!b/c\r\n' > .dockerignore
mkdir b
for n in a b/c b/d e; do echo x > $n; done
