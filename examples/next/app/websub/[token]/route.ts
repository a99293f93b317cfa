import { websub } from '../../../websub';

async function answer(request: Request): Promise<Response> {
  const runtime = await websub();
  return runtime.fetch(request);
}

export { answer as GET, answer as POST };
