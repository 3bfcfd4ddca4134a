import { fileURLToPath } from "node:url";
import type { Server } from "@grpc/grpc-js";

const protoFolder = fileURLToPath(new URL("../../../../proto", import.meta.url));
const services = ["edit", "membership", "artifact"];

/** Has the server say what can be called, for tools such as grpcurl. Loaded only when asked for. */
export async function addReflection(server: Server): Promise<void> {
  const { load } = await import("@grpc/proto-loader");
  const { ReflectionService } = await import("@grpc/reflection");
  const files = services.map((name) => `retake/v1/${name}.proto`);
  const description = await load(files, { includeDirs: [protoFolder], keepCase: true });
  new ReflectionService(description).addToServer(server);
}
