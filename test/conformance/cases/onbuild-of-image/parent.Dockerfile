FROM busybox
ENV A=a B=b
LABEL from=parent
EXPOSE 80
VOLUME /data
USER ada
WORKDIR /home/ada
ENTRYPOINT ["/bin/sh"]
CMD ["-c", "true"]
STOPSIGNAL SIGINT
HEALTHCHECK --interval=5s CMD true
ONBUILD USER root
ONBUILD RUN echo triggered > /triggered
ONBUILD CMD ["triggered"]
