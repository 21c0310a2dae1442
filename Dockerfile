# CoreDNS with rrhealth in an image with nothing else in it.
#
#   docker build -t rrhealth .
#
# The build stage needs Go and a shell, no more. Where no registry can be
# reached, deploy/image/base makes such an image from the machine's own Go:
#
#   deploy/image/base/make rrhealth-base
#   docker build --build-arg GO_IMAGE=rrhealth-base -t rrhealth .
ARG GO_IMAGE=golang:1.26
FROM ${GO_IMAGE} AS build
WORKDIR /src
COPY . .
ARG VERSION=devel
# The cache of a build that is never repeated would be a gigabyte to store.
RUN export GOCACHE=/tmp/cache \
 && VERSION="${VERSION}" deploy/image/build /out \
 && go run ./deploy/image/assemble -from /out -root /rootfs \
 && rm -rf /tmp/cache

FROM scratch
COPY --from=build /rootfs/ /
ARG VERSION=devel
ARG REVISION=unknown
LABEL org.opencontainers.image.title="rrhealth" \
      org.opencontainers.image.description="CoreDNS with health-checked round-robin DNS" \
      org.opencontainers.image.source="https://github.com/rrhealth/rrhealth" \
      org.opencontainers.image.documentation="https://github.com/rrhealth/rrhealth#readme" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# A number, so that Kubernetes can see that it is not root (runAsNonRoot).
USER 65532:65532
WORKDIR /
# dns, health, ready, prometheus
EXPOSE 53/udp 53/tcp 8080/tcp 8181/tcp 9153/tcp
# Asks the server itself, with no plugin needed. A server on another port:
#   docker run --health-cmd '/healthcheck 127.0.0.1:1053' ...   (needs no shell: compose's test: [CMD, ...])
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s CMD ["/healthcheck"]
ENTRYPOINT ["/coredns"]
