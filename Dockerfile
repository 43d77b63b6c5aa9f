# Bellwether in a container: an SQLite store in the volume, unless BELLWETHER_DATABASE_URL says otherwise.

FROM rust:1.95-bookworm AS builder
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libssl-dev pkg-config \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /build
# What the build reads; sources of examples and benchmarks because Cargo.toml names them, the README as it is part of the SDK's documentation.
COPY Cargo.toml Cargo.lock askama.toml README.md ./
COPY sdk sdk
COPY src src
COPY migrations migrations
COPY static static
COPY templates templates
COPY benches benches
COPY tests/oracles tests/oracles
RUN cargo build --locked --release --features postgres-tls --bin bellwether

FROM debian:12-slim
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates libssl3 \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --system --gid 10001 bellwether \
    && useradd --system --uid 10001 --gid bellwether --home-dir /var/lib/bellwether --create-home --shell /usr/sbin/nologin bellwether
COPY --from=builder /build/target/release/bellwether /usr/local/bin/bellwether
# The number rather than the name, so that an orchestrator can see that it is not root.
USER 10001:10001
WORKDIR /var/lib/bellwether
VOLUME /var/lib/bellwether
ENV BELLWETHER_LISTEN=0.0.0.0:8080 \
    BELLWETHER_DATABASE_URL=sqlite:///var/lib/bellwether/bellwether.db \
    BELLWETHER_LOG_FORMAT=json
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=6s --start-period=30s --retries=3 CMD ["/usr/local/bin/bellwether", "health"]
ENTRYPOINT ["/usr/local/bin/bellwether"]
CMD ["serve"]
