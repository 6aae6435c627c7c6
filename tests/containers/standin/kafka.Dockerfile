# Stands in for the apache/kafka image where that can't be pulled: the same entry point, paths and KAFKA_ variables.
ARG PYTHON_IMAGE
FROM ${PYTHON_IMAGE}
COPY java /opt/java
COPY libs /opt/kafka/libs
COPY run server.properties log4j2.yaml /etc/kafka/docker/
ENV PATH=/opt/java/bin:$PATH
RUN useradd --uid 1000 appuser && \
    mkdir -p /mnt/shared/config /opt/kafka/config /var/lib/kafka/data /etc/kafka/secrets && \
    chown -R appuser /mnt/shared/config /opt/kafka/config /var/lib/kafka /etc/kafka
USER appuser
VOLUME ["/etc/kafka/secrets", "/var/lib/kafka/data", "/mnt/shared/config"]
EXPOSE 9092
CMD ["/etc/kafka/docker/run"]
