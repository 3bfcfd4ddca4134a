# docker build -f deploy/images/gpu-node.Dockerfile -t retake/gpu-node:0.1.0 .
FROM node:20.20.2-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc tsconfig.base.json ./
COPY packages packages
COPY services services
RUN npm ci
RUN npx tsc -b services/gpu-node

FROM node:20.20.2-bookworm-slim AS install
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
COPY packages packages
COPY services services
RUN npm ci --omit=dev --workspace @retake/gpu-node

FROM node:20.20.2-bookworm-slim
# libvulkan1: the engine onnx-webgpu finds the GPU by it. ca-certificates: the hub. No npm is left.
RUN apt-get update \
  && apt-get install -y --no-install-recommends ca-certificates libvulkan1 tini \
  && rm -rf /var/lib/apt/lists/*
RUN rm -rf /usr/local/lib/node_modules /usr/local/bin/npm /usr/local/bin/npx /opt/yarn-*
WORKDIR /app
COPY LICENSE NOTICE THIRD_PARTY.md ./
COPY --from=install /app/package.json ./package.json
COPY --from=install /app/node_modules node_modules
COPY --from=build /app/packages/errors/package.json packages/errors/package.json
COPY --from=build /app/packages/errors/dist packages/errors/dist
COPY --from=build /app/packages/wire/package.json packages/wire/package.json
COPY --from=build /app/packages/wire/dist packages/wire/dist
COPY --from=build /app/packages/model/package.json packages/model/package.json
COPY --from=build /app/packages/model/dist packages/model/dist
COPY --from=build /app/packages/compile/package.json packages/compile/package.json
COPY --from=build /app/packages/compile/dist packages/compile/dist
COPY --from=build /app/packages/checkpoint/package.json packages/checkpoint/package.json
COPY --from=build /app/packages/checkpoint/dist packages/checkpoint/dist
COPY --from=build /app/packages/checkpoint/data packages/checkpoint/data
COPY --from=build /app/services/gpu-node/package.json services/gpu-node/package.json
COPY --from=build /app/services/gpu-node/dist services/gpu-node/dist
COPY models/demo models/demo
ENV NODE_ENV=production
USER 10001:10001
EXPOSE 7071 9464
ENTRYPOINT ["tini", "--", "node", "services/gpu-node/dist/main.js"]
