# A Dockerfile outside the context.
FROM scratch
COPY . /all/
