import type { YoutubeVideo } from './feed.js';

/** Returns the video named in YouTube's namespace. */
export function youtubeVideo(ids: { videoId?: string; channelId?: string } | undefined): YoutubeVideo | undefined {
  const { videoId, channelId } = ids ?? {};
  if (videoId === undefined) return undefined;
  return channelId === undefined ? { videoId } : { videoId, channelId };
}

/** Returns the video of a deleted entry, from the entry's id and the URL of its channel page. */
export function deletedYoutubeVideo(id: string, channelPage: string | undefined): YoutubeVideo | undefined {
  const videoId = /^yt:video:(.+)$/.exec(id)?.[1];
  const channelId = /^https?:\/\/(?:www\.)?youtube\.com\/channel\/([^/?#]+)/.exec(channelPage ?? '')?.[1];
  return youtubeVideo({ ...(videoId !== undefined && { videoId }), ...(channelId !== undefined && { channelId }) });
}
