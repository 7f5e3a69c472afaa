cd context
mkdir -p keep/inner drop/inner/deep docs
for n in keep/1 keep/inner/2 drop/3 drop/inner/4 drop/inner/deep/5 docs/a.md docs/b.md README.md; do echo "$n" > "$n"; done
printf '%s\n' '*' '!keep' 'keep/inner' '!drop/inner/deep' '!docs/*.md' 'docs/b.md' '!README.md' > .dockerignore
