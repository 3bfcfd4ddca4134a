import { fileURLToPath } from "node:url";
import { credentials, loadPackageDefinition, Server, ServerCredentials } from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import { expect, it } from "vitest";
import { addReflection } from "./reflection.js";

/** As tools such as grpcurl have it. */
const described = fileURLToPath(
  new URL("../proto/grpc/reflection/v1/reflection.proto", import.meta.resolve("@grpc/reflection")),
);

it("addReflection names the services that can be called", async () => {
  const server = new Server();
  await addReflection(server);
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  const { grpc } = Object(loadPackageDefinition(loadSync(described)));
  const Reflection = grpc.reflection.v1.ServerReflection;
  const client = new Reflection(`127.0.0.1:${port}`, credentials.createInsecure());
  const call = client.ServerReflectionInfo();
  const answer = new Promise<unknown>((resolve, reject) => {
    call.once("data", resolve);
    call.once("error", reject);
  });
  call.write({ listServices: "*" });
  const names = JSON.stringify(await answer);
  for (const name of ["EditService", "MembershipService", "ArtifactService"]) {
    expect(names).toContain(`retake.v1.${name}`);
  }
  call.end();
  client.close();
  server.forceShutdown();
});
