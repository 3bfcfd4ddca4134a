/** A duration as people say it: `0.8 s`, `42 s`, `3 min 5 s`, `2 h 7 min`. */
export function durationText(milliseconds: number): string {
  const seconds = milliseconds / 1000;
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes} min ${whole % 60} s`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours} h ${minutes % 60} min`;
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** Work per time, in whichever unit gives a readable number: `4.2/s`, `12 s each`. */
export function rateText(
  done: number,
  { milliseconds }: { readonly milliseconds: number },
): string {
  if (done <= 0 || milliseconds <= 0) return "";
  const perSecond = (done * 1000) / milliseconds;
  return perSecond >= 1 ? `${perSecond.toFixed(1)}/s` : `${durationText(milliseconds / done)} each`;
}
