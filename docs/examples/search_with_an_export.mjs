// Search pictures with an exported system in JavaScript (Node.js; the same calls work in a browser).
//
//     npm install @huggingface/transformers
//     node search_with_an_export.mjs my-export "a woman in a red coat" a.jpg b.jpg c.jpg
//
// my-export is what `python tools/export.py CHECKPOINT --out my-export` wrote. With `dtype: "q8"` the int8 graphs are
// read, with "fp16" those of half precision.
import path from "node:path";
import {
  AutoProcessor, AutoTokenizer, CLIPTextModelWithProjection, CLIPVisionModelWithProjection, RawImage, env,
} from "@huggingface/transformers";

const [folder, text, ...files] = process.argv.slice(2);
env.allowRemoteModels = false;
env.localModelPath = path.dirname(path.resolve(folder));
const name = path.basename(folder);
const dtype = "fp32";

const tokenizer = await AutoTokenizer.from_pretrained(name);
const textModel = await CLIPTextModelWithProjection.from_pretrained(name, { dtype });
const { text_embeds } = await textModel(tokenizer([text], { padding: "max_length", truncation: true }));
const query = text_embeds.tolist()[0];

const processor = await AutoProcessor.from_pretrained(name);
const visionModel = await CLIPVisionModelWithProjection.from_pretrained(name, { dtype });
const found = [];
for (const file of files) {
  const { image_embeds } = await visionModel(await processor([await RawImage.read(file)]));
  const image = image_embeds.tolist()[0];
  found.push([image.reduce((sum, value, i) => sum + value * query[i], 0), file]);
}
found.sort((a, b) => b[0] - a[0]);
for (const [similarity, file] of found) console.log(similarity.toFixed(4), file);
