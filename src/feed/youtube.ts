import type { YoutubeVideo } from './feed.js';

/** The video that an entry names in YouTube's namespace. */
export function youtubeVideo(ids: { videoId?: string; channelId?: string } | undefined): YoutubeVideo | undefined {
  const { videoId, channelId } = ids ?? {};
  if (videoId === undefined) return undefined;
  return channelId === undefined ? { videoId } : { videoId, channelId };
}

/** The video whose entry was deleted, by the id that the entry had and the page of the channel. */
export function deletedYoutubeVideo(id: string, channelPage: string | undefined): YoutubeVideo | undefined {
  const videoId = /^yt:video:(.+)$/.exec(id)?.[1];
  const channelId = /^https?:\/\/(?:www\.)?youtube\.com\/channel\/([^/?#]+)/.exec(channelPage ?? '')?.[1];
  return youtubeVideo({ ...(videoId !== undefined && { videoId }), ...(channelId !== undefined && { channelId }) });
}
