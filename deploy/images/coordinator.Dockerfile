# docker build -f deploy/images/coordinator.Dockerfile -t retake/coordinator:0.1.0 .
FROM node:20.20.2-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc tsconfig.base.json ./
COPY packages packages
COPY services services
RUN npm ci
RUN npx tsc -b services/coordinator

FROM node:20.20.2-bookworm-slim AS install
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
COPY packages packages
COPY services services
RUN npm ci --omit=dev --workspace @retake/coordinator

FROM node:20.20.2-bookworm-slim
# fonts: ffmpeg's labels. tini: signals before the program listens to them. No npm is left.
RUN apt-get update \
  && apt-get install -y --no-install-recommends ffmpeg fonts-dejavu-core tini \
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
COPY --from=build /app/services/coordinator/package.json services/coordinator/package.json
COPY --from=build /app/services/coordinator/dist services/coordinator/dist
ENV NODE_ENV=production
USER 10001:10001
EXPOSE 7070 9464
ENTRYPOINT ["tini", "--", "node", "services/coordinator/dist/main.js"]
