FROM scratch
COPY passwd /etc/
COPY file /of-base
ENV base=foreign
CMD ["/program"]
