# A static binary in an image with nothing else, as a user without rights. Data lives in the volume /data.
#
#   docker build -t semabus .
#   docker run --rm -v semabus:/data -p 127.0.0.1:7420:7420 -p 127.0.0.1:7421:7421 semabus
#
# Inside a container the node listens on all interfaces, which it refuses without keys: create one first (docs/security.md),
#   docker run --rm -v semabus:/data semabus key create --data /data --tenant default --role admin
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=dev
RUN CGO_ENABLED=0 GOWORK=off go build -trimpath -ldflags "-s -w -X main.version=${VERSION}" -o /out/semabus ./cmd/semabus \
    && mkdir -p /out/data

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /out/semabus /semabus
COPY --from=build --chown=65532:65532 /out/data /data
COPY LICENSE NOTICE /
USER 65532:65532
VOLUME /data
EXPOSE 7420 7421
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s CMD ["/semabus", "doctor", "--addr", "127.0.0.1:7420"]
ENTRYPOINT ["/semabus"]
CMD ["serve", "--data", "/data", "--listen", "0.0.0.0:7420", "--http", "0.0.0.0:7421"]
