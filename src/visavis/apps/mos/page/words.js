// What the page says. Labels of scores are those of ITU-T P.800 and their usual Chinese.
const words = {
  en: {
    lead: (n, m) => `You will see ${n} short videos, one after another, and say what you think of each. It takes about ${m} min.`,
    leadPairs: (n, m) => `You will see ${n} pairs of short videos and say which you prefer. It takes about ${m} min.`,
    hints: [
      "Turn the sound on; headphones are best.",
      "Watch each video to its end before you answer. You may watch it again.",
      "There is no right or wrong: your first impression counts.",
      "You may stop at any time; this address takes you back to where you were.",
    ],
    privacy: "No name, address or cookie is stored: only your answers, the time they took, and a random number that tells raters apart.",
    consent: "I take part of my own will, and my answers may be used and published.",
    start: "Begin", resume: "Go on", next: "Next", last: "Finish",
    count: (i, n) => `${i} of ${n}`,
    watch: "Watch the video to its end.", watchPairs: "Watch both to their end, A and then B.",
    watchOther: (x) => `Now watch ${x}.`,
    answer: "Choose an answer.", ready: "Press Next, or watch again.", saving: "Saving…",
    play: "Play", playSide: (x) => `Play ${x}`, pause: "Pause", again: "Watch again",
    video: "Video", videoSide: (x) => `Video ${x}`,
    scores: ["Bad", "Poor", "Fair", "Good", "Excellent"],
    pairs: ["A is better", "No difference", "B is better"],
    thanks: "Thank you!", closing: "All your answers are saved. You may close this page.",
    another: "Another person on this device",
    lost: "The connection was lost. Your answers so far are saved.",
    broken: "This video does not play.", skip: "Leave it out",
    full: "This study takes nobody new.", unknown: "This link is not valid any more.",
    retry: "Try again", fresh: "Begin anew",
  },
  zh: {
    lead: (n, m) => `您会依次看到 ${n} 段短视频，请为每一段打分。大约需要 ${m} 分钟。`,
    leadPairs: (n, m) => `您会依次看到 ${n} 组短视频，请在每组中选出更好的一个。大约需要 ${m} 分钟。`,
    hints: [
      "请打开声音，最好戴上耳机。",
      "请把视频看完再作答，可以重看。",
      "答案没有对错，凭第一印象就好。",
      "可以随时停下，用这个网址能回到原处。",
    ],
    privacy: "我们不保存姓名、地址，也不用 Cookie：只记录您的答案、用时，以及一个用来区分评分者的随机编号。",
    consent: "我自愿参加，并同意使用和发表我的评分。",
    start: "开始", resume: "继续", next: "下一个", last: "完成",
    count: (i, n) => `第 ${i} 个，共 ${n} 个`,
    watch: "请把视频看完。", watchPairs: "请把两段都看完，先看 A，再看 B。",
    watchOther: (x) => `请再看 ${x}。`,
    answer: "请选择。", ready: "可以进入下一个，也可以重看。", saving: "正在保存…",
    play: "播放", playSide: (x) => `播放 ${x}`, pause: "暂停", again: "重看",
    video: "视频", videoSide: (x) => `视频 ${x}`,
    scores: ["劣", "差", "中", "良", "优"],
    pairs: ["A 更好", "没有差别", "B 更好"],
    thanks: "谢谢您！", closing: "您的评分都已保存，可以关闭这个页面了。",
    another: "这台设备上换一个人",
    lost: "连接断开了。之前的答案都已保存。",
    broken: "这段视频无法播放。", skip: "跳过它",
    full: "这项评测不再接受新的参加者。", unknown: "这个链接已经无效。",
    retry: "再试一次", fresh: "重新开始",
  },
};

export const language = navigator.languages
  .map((tag) => tag.toLowerCase().split("-")[0])
  .find((tag) => tag in words) ?? "en";
export const say = words[language];
