/** Next.js calls this once, when its server starts. */
export async function register(): Promise<void> {
  if (process.env.NEXT_RUNTIME !== 'nodejs') return;
  const { websub } = await import('./websub');
  await websub();
}
