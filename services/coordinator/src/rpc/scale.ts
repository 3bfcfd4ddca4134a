import { wholeNumber } from "@retake/wire/decoders";
import type { ScaleRequest, ScaleResponse } from "@retake/wire/membership";
import type { Reign } from "../loop/reign.js";
import { untilAborted } from "../loop/until-aborted.js";
import { handOverMsDefault, handOverMsMax, poolCountMax } from "../pool/limits.js";
import type { PoolScaler } from "../pool/pool-scaler.js";

/** Makes the pool larger or smaller. It goes on with that, also when nobody waits any more. */
export async function scale(
  { reign, scaler }: { readonly reign: Reign; readonly scaler: PoolScaler },
  request: ScaleRequest,
  signal: AbortSignal,
): Promise<ScaleResponse> {
  const count = wholeNumber(request.count, { subject: "nodes", min: 0, max: poolCountMax });
  const bounds = { subject: "time to hand over", min: 0, max: handOverMsMax };
  const handOverMs = wholeNumber(request.handOverMs, bounds) || handOverMsDefault;
  const scaling = await scaler.scale(reign, { count, handOverMs });
  const { view, leaving } = scaling;
  const late = request.waits ? await untilAborted(scaling.ended, signal) : scaling.busy;
  return {
    ...{ pool: view.kind, countBefore: view.count, count, reason: leaving.reason },
    leaving: leaving.leavers.map(({ nodeId, reason }) => {
      return { nodeId, reason, handedOver: !late.has(nodeId) };
    }),
  };
}
