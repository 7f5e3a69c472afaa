cd context
mkdir -p a/b/c node_modules/x deep/node_modules logs/old
for n in a/b/c/file.tmp a/file.tmp file.tmp node_modules/x/y deep/node_modules/z logs/1.log logs/old/2.log x1 x2 xa "with space" '#hash' keep.txt a/b/keep.txt build dist; do echo "$n" > "$n"; done
cat > .dockerignore <<'I'
# a comment
**/*.tmp

/node_modules
logs/*.log
x[0-9]
with space
./build
dist/
  trimmed  
\#hash
I
echo x > trimmed
