/** What the network takes: 128 by 128 values in [0, 1], rows first, of one channel (speech) or three (image); sound at 16 kHz. */
const SIDE = 128, CHANNELS = { speech: 1, image: 3 }, MODALITIES = ["speech", "image"], SOUND_RATE = 16000;
