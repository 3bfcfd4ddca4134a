import type { Rgb } from "./canvas.js";
import { type Clip, clip } from "./clip.js";
import { colourMappings, keepsColours } from "./colour-mapping.js";
import { Dice, type Key } from "./dice.js";
import { type EditKind, unseenContent } from "./edits.js";
import { type Look, lookOf } from "./scene.js";
import { type Content, isHeldOut, places } from "./vocabulary.js";

/**
 * Icons that stand for any subject. None of a word of the world, and none that is much like what
 * clips of unseen subjects show: no robot, no ox or bison, no cat of prey but the lion, no fox,
 * which has the tiger's colours, no water bird.
 */
export const strangeIcons: readonly string[] = [
  ...["ant", "badger", "bat", "bear", "beaver", "beetle", "bird", "blowfish", "boar", "bug"],
  ...["butterfly", "camel", "two-hump-camel", "chicken", "chipmunk", "crab", "cricket"],
  ...["crocodile", "deer", "dodo", "dog", "dolphin", "donkey", "dove", "dragon", "eagle", "ewe"],
  ...["fish", "frog", "giraffe", "goat", "gorilla", "hamster", "hedgehog", "hippopotamus"],
  ...["honeybee", "kangaroo", "koala", "lion", "lizard", "llama", "lobster", "mammoth"],
  ...["monkey", "moose", "mouse", "octopus", "orangutan", "otter", "owl", "panda", "parrot"],
  ...["peacock", "poodle", "raccoon", "ram", "rat", "rhinoceros", "rooster", "sauropod"],
  ...["scorpion", "seal", "shark", "skunk", "sloth", "snail", "snake", "spider", "squid"],
  ...["turkey", "turtle", "unicorn", "whale", "wolf", "zebra", "bus", "taxi", "tractor"],
  ...["delivery-truck", "ambulance", "fire-engine", "locomotive", "bicycle", "motor-scooter"],
  ...["helicopter", "sailboat", "ghost", "snowman", "alien", "teddy-bear", "teapot", "mushroom"],
  ...["jack-o-lantern", "rocket", "umbrella", "sled"],
];

/** Which part is strange: there are many more subjects to see than colours or places. */
const strangeParts: readonly EditKind[] = ["subject", "subject", "place", "colour"];

/** A clip of strangers: what its caption says, and what it shows. */
export interface Stranger {
  readonly caption: Content;
  /** What the parts that have a word show: of a strange place, whose place was recoloured. */
  readonly shown: Content;
  readonly look: Look;
}

/**
 * A clip in which one part is of no word that training knows: an icon, a tint or a place in colours
 * of chance. Its caption calls the part by a word of the unseen contents, and what that word means
 * is never drawn: to the model it says "something else, as you see". A large model knows of more
 * than it has a word for; a small one has to be told that there is more than its words name.
 */
export function strangeClip(
  key: Key,
  options: { readonly side: number; readonly frameCount: number },
): Clip {
  const { caption, look } = strangerOf(key);
  return clip(key, { ...options, content: caption, look });
}

/** Chooses until no combination that is held out would be drawn. */
export function strangerOf(key: Key): Stranger {
  for (let turn = 0; ; turn += 1) {
    const stranger = chosenStranger(new Dice(key, `stranger/${turn}`));
    if (stranger !== undefined && !isHeldOut(stranger.shown)) return stranger;
  }
}

/** Undefined where the colours of a place would stay what they are. */
function chosenStranger(dice: Dice): Stranger | undefined {
  const part = dice.pick(strangeParts);
  const caption = unseenContent(dice, part);
  if (part === "place") {
    const shown = { ...caption, place: dice.pick(places) };
    const placeColours = colourMappings(dice);
    if (keepsColours(placeColours)) return undefined;
    return { caption, shown, look: { ...lookOf(shown), placeColours } };
  }
  const { figure, ...rest } = lookOf(caption);
  const changed = part === "subject" ? { icon: dice.pick(strangeIcons) } : { tint: tintOf(dice) };
  return { caption, shown: caption, look: { ...rest, figure: { ...figure, ...changed } } };
}

/** Ranges of hues, in degrees, 20 from every tint that has a word. */
const hueRanges = [
  [66, 115],
  [156, 202],
  [295, 336],
] as const;

/** A tint of chance: strong enough to be one. */
function tintOf(dice: Dice): Rgb {
  const hue = dice.between(dice.pick(hueRanges));
  const saturation = dice.between([0.55, 0.9]);
  const value = dice.between([130, 250]);
  const channel = (shift: number): number => {
    const at = (shift + hue / 60) % 6;
    return value * (1 - saturation * Math.max(0, Math.min(at, 4 - at, 1)));
  };
  return [channel(5), channel(3), channel(1)];
}
