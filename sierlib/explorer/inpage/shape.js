/** What the network takes: 128 by 128 values in [0, 1], rows first, of one channel (speech) or three (image). */
const SIDE = 128, CHANNELS = { speech: 1, image: 3 }, MODALITIES = ["speech", "image"];
