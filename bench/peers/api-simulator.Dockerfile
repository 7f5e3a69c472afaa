# The same image as people make it by hand: packages installed in a build stage, libraries found with ldd, packed
# with tar, unpacked into an empty stage.
FROM debian:bookworm-slim AS build
RUN apt-get update && apt-get install -y --no-install-recommends nginx busybox
RUN mkdir /out \
 && { for program in /usr/sbin/nginx /bin/busybox; do echo "$program"; ldd "$program" | grep -o '/[^ ]*'; done; \
      echo /etc/passwd; echo /etc/group; echo /etc/nginx/mime.types; } | sort -u > /list \
 && tar --create --dereference --file - --files-from /list | tar --extract --directory /out \
 && mkdir -p /out/var/log/nginx /out/var/lib/nginx /out/run /out/tmp && chmod 1777 /out/tmp

FROM scratch
COPY --from=build /out /
COPY nginx.conf /etc/nginx/nginx.conf
COPY api /srv/api
USER 10001
EXPOSE 8080
ENTRYPOINT ["/usr/sbin/nginx", "-g", "daemon off;"]
