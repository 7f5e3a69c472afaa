cd context
mkdir -p a/b c/d "e f" .h
for file in a/1 a/b/2 c/d/3 "e f/4" .h/5 x.txt a/x.txt a/b/x.md '#hash' '!bang'; do echo "$file" > "$file"; done
printf '\357\273\277# comment\n  a/b  \n\n#hash\n\\#hash\n!a/b/2\n**/*.txt\n!x.txt\n/c/./d/../d/3\ne f\n\\!bang\n.h/\n**/b/*.md\n' > .dockerignore
