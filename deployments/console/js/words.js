// Every word of the console, English and Chinese side by side. "{n}" is filled in; "a|b" are singular and plural.

import { tastes } from "./session.js";

const WORDS = {
  // Chrome
  skip: ["Skip to content", "跳到正文"],
  jobs: ["Jobs", "任务"],
  cluster: ["Cluster", "集群"],
  apiDocs: ["API", "接口"],
  navigation: ["Sections", "导航"],
  otherLanguage: ["中文", "English"],
  theme: ["Appearance: {name}", "外观：{name}"],
  theme_auto: ["as the system", "跟随系统"],
  theme_light: ["light", "浅色"],
  theme_dark: ["dark", "深色"],
  signOut: ["Sign out", "退出登录"],
  offline: ["No connection. Trying again…", "连接中断，正在重试…"],
  close: ["Close", "关闭"],
  loading: ["Loading…", "加载中…"],
  again: ["Try again", "重试"],
  notThere: ["There is nothing at this address.", "此地址没有内容。"],
  toJobs: ["To the jobs", "返回任务列表"],

  // Sign in
  signIn: ["Sign in", "登录"],
  signInWhy: ["This server asks for an API key. It is kept in this tab only, until you close it.", "此服务器需要 API 密钥。密钥只保存在当前标签页，关闭即清除。"],
  apiKey: ["API key", "API 密钥"],
  keyRefused: ["This key was not accepted.", "密钥无效。"],
  signedOutNow: ["Your key is not accepted any more. Please sign in again.", "密钥已失效，请重新登录。"],

  // Submitting
  newRecordings: ["New recordings", "新录音"],
  dropHere: ["Drop recordings here, or", "把录音拖到这里，或"],
  chooseFiles: ["choose files", "选择文件"],
  staged: ["{n} recording to send|{n} recordings to send", "待提交 {n} 个录音"],
  options: ["Options", "选项"],
  model: ["Model", "模型"],
  language: ["Language", "语言"],
  detected: ["Detected", "自动检测"],
  channels: ["Channels", "声道"],
  channels_mix: ["Mixed into one", "合并为一"],
  channels_split: ["Each on its own (one speaker a channel)", "分声道（每声道一位说话人）"],
  speakers: ["Speakers, in the order of the channels", "说话人（按声道顺序）"],
  speakersHint: ["Names, separated by commas", "姓名，用逗号分隔"],
  minutes: ["Minutes", "纪要"],
  minutes_auto: ["Best there is", "自动选择"],
  minutes_extractive: ["Spoken sentences, by rules", "按规则摘录原话"],
  minutes_llm: ["Language model", "语言模型"],
  minutes_none: ["None", "不需要"],
  minutesLanguage: ["Language of the minutes", "纪要语言"],
  asTranscript: ["As spoken", "与录音相同"],
  priority: ["Priority", "优先级"],
  priority_low: ["Low", "低"],
  priority_normal: ["Normal", "普通"],
  priority_high: ["High", "高"],
  wordTimes: ["Time every word", "标注每个词的时间"],
  keepAudio: ["Keep a compressed copy to listen to", "保留压缩音频以便回放"],
  keepAudioHint: ["The recording itself is deleted when the job ends.", "原始录音在任务结束时删除。"],
  send: ["Send {n} recording|Send {n} recordings", "提交 {n} 个录音"],
  clear: ["Clear", "清空"],
  removeFile: ["Remove {name}", "移除 {name}"],
  empty: ["The file is empty.", "文件为空。"],
  tooLarge: ["Larger than the {size} this server takes.", "超过服务器允许的 {size}。"],
  notAudio: ["Not a recording: {kind}.", "不是录音：{kind}。"],
  sending: ["Sending {n} of {total}", "正在提交第 {n} 个，共 {total} 个"],
  sentAll: ["{n} recording was sent.|{n} recordings were sent.", "已提交 {n} 个录音。"],
  sendAgainIn: ["The server is busy; trying again in {s} s", "服务器繁忙，{s} 秒后重试"],
  stopSending: ["Stop sending {name}", "停止提交 {name}"],
  sendAgain: ["Send {name} again", "重新提交 {name}"],
  notSent: ["Not sent: {why}", "提交失败：{why}"],

  // States
  state_queued: ["Waiting", "排队中"],
  state_transcribing: ["Transcribing", "转写中"],
  state_summarizing: ["Writing minutes", "撰写纪要"],
  state_succeeded: ["Done", "已完成"],
  state_failed: ["Failed", "失败"],
  state_cancelled: ["Cancelled", "已取消"],
  cancelling: ["Cancelling…", "正在取消…"],
  all: ["All", "全部"],

  // List of jobs
  jobsTitle: ["Jobs", "任务"],
  states: ["State", "状态"],
  searchName: ["Search by name", "按名称搜索"],
  state: ["State", "状态"],
  name: ["Name", "名称"],
  progress: ["Progress", "进度"],
  length: ["Length", "时长"],
  eta: ["Ready in", "预计剩余"],
  created: ["Created", "提交时间"],
  actions: ["Actions", "操作"],
  noJobs: ["No recordings yet.", "还没有录音。"],
  noJobsHint: ["Drop some above: they are transcribed at once.", "把录音拖到上方即可开始转写。"],
  noneMatch: ["No job matches.", "没有符合条件的任务。"],
  showAll: ["Show all jobs", "显示全部任务"],
  cancel: ["Cancel", "取消"],
  cancelJob: ["Cancel {name}", "取消 {name}"],
  retry: ["Try again", "重试"],
  erase: ["Delete", "删除"],
  eraseJob: ["Delete {name}", "删除 {name}"],
  eraseSure: ["Delete “{name}” with its transcript, minutes and audio? This cannot be undone.", "删除“{name}”及其转写、纪要和音频？此操作无法撤销。"],
  erased: ["Deleted.", "已删除。"],
  keep: ["Keep", "保留"],
  audioOf: ["{done} of {total}", "{done} / {total}"],
  found: ["{done} of {total} found so far", "{done} / 已发现 {total}"],

  // One job
  submitted: ["Submitted", "提交于"],
  downloads: ["Download", "下载"],
  transcript: ["Transcript", "转写"],
  details: ["Details", "详情"],
  panels: ["Beside the transcript", "侧栏"],
  waitingForTurn: ["Waits for its turn.", "正在排队。"],
  liveHint: ["The transcript appears here when it is done.", "转写完成后会显示在这里。"],
  whyFailed: ["Why it failed", "失败原因"],
  gone: ["This job does not exist, or belongs to somebody else.", "任务不存在，或属于其他租户。"],
  noTranscript: ["This job has no transcript.", "该任务没有转写结果。"],
  noSpeech: ["No speech was found in this recording.", "录音中没有发现语音。"],
  history: ["History", "历史"],
  source: ["Source", "来源"],
  size: ["Size", "大小"],
  checksum: ["SHA-256", "SHA-256"],
  chunks: ["Chunks", "分块"],
  chunksFailed: ["{n} given up", "放弃 {n} 块"],
  jobId: ["Job", "任务编号"],
  replayOf: ["Replays", "重放自"],
  coverage: ["Coverage", "覆盖"],
  health_transcribed: ["Transcribed", "已转写"],
  health_silence: ["Silence", "静音"],
  health_suspect: ["Suspect", "可疑"],
  health_failed: ["Not transcribed", "未转写"],
  suspectWhy: ["Suspect: {why}", "可疑：{why}"],
  suspectPlain: ["The model was unsure here; listen before you rely on it.", "模型对此处没有把握，引用前请先听录音。"],
  failedInterval: ["Not transcribed, {from} to {to}", "未转写：{from} 至 {to}"],
  detectedAs: ["{language}, {share} sure", "{language}，置信度 {share}"],
  deleteAudio: ["Delete the audio only", "仅删除音频"],
  deleteAudioSure: ["Delete the copy to listen to? Transcript and minutes stay.", "删除回放音频？转写和纪要会保留。"],
  audioDeleted: ["The audio is deleted.", "音频已删除。"],

  // Transcript
  searchTranscript: ["Search in the transcript", "在转写中搜索"],
  matchOf: ["{n} of {total}", "第 {n} / {total} 处"],
  noMatch: ["Nothing found", "未找到"],
  previous: ["Previous match", "上一处"],
  next: ["Next match", "下一处"],
  playFrom: ["Play from {time}", "从 {time} 播放"],

  // Player
  player: ["Player", "播放器"],
  play: ["Play", "播放"],
  pause: ["Pause", "暂停"],
  backTen: ["Back 10 seconds", "后退 10 秒"],
  aheadTen: ["Ahead 10 seconds", "前进 10 秒"],
  speed: ["Speed", "速度"],
  position: ["Position", "位置"],
  fetchingAudio: ["Fetching the audio…", "正在获取音频…"],
  noAudio: ["The audio was not kept: “Keep a compressed copy to listen to” was off.", "未保留音频：提交时没有选择“保留压缩音频以便回放”。"],
  audioFailed: ["The audio cannot be played: {why}", "音频无法播放：{why}"],

  // Minutes
  noMinutes: ["This job has no minutes.", "该任务没有纪要。"],
  minutesLater: ["The minutes are being written.", "正在撰写纪要。"],
  summary: ["Summary", "摘要"],
  decisions: ["Decisions", "决定"],
  actionItems: ["Action items", "待办事项"],
  topics: ["Topics", "议题"],
  questions: ["Open questions", "未决问题"],
  participants: ["Participants", "与会者"],
  owner: ["Owner", "负责人"],
  due: ["Due", "截止"],
  notSpoken: ["not said", "未提及"],
  verified: ["Verified", "已核实"],
  unverified: ["Not verified", "未核实"],
  verifiedWhy: ["Found word for word in the transcript", "在转写原文中核对一致"],
  unverifiedWhy: ["Not found in the transcript as it stands here: check before you rely on it", "转写原文中未能核对，引用前请先查证"],
  evidence: ["Evidence at {time}: {quote}", "依据 {time}：{quote}"],
  writtenBy: ["Written by {who}", "撰写：{who}"],
  byRules: ["rules, from spoken sentences", "按规则摘录原话"],
  copyMinutes: ["Copy", "复制"],
  copied: ["Copied.", "已复制。"],
  cannotCopy: ["The browser does not let the console copy.", "浏览器不允许复制。"],
  nothingFound: ["None were found.", "没有发现。"],

  // Cluster
  clusterTitle: ["Cluster", "集群"],
  allWell: ["Everything works", "一切正常"],
  degraded: ["Works, but not all of it", "部分可用"],
  down: ["Does not take jobs now", "目前无法处理任务"],
  component_ledger: ["Ledger", "账本"],
  component_store: ["Store", "存储"],
  component_coordinator: ["Coordinator", "协调器"],
  component_model: ["Models", "模型"],
  component_device: ["Devices", "设备"],
  component_llm_key: ["Minutes provider", "纪要服务"],
  status_ok: ["ok", "正常"],
  status_degraded: ["degraded", "降级"],
  status_down: ["down", "不可用"],
  backlog: ["Backlog", "积压"],
  backlogHint: ["speech that waits or is being transcribed", "等待或正在转写的语音"],
  throughput: ["Throughput", "吞吐"],
  throughputHint: ["audio seconds per second, lately", "近期每秒处理的音频秒数"],
  clearIn: ["clear in about {time}", "约 {time} 后处理完"],
  idle: ["idle", "空闲"],
  live: ["In hand", "进行中"],
  liveHintCluster: ["waiting, transcribing or writing minutes", "排队、转写或撰写纪要"],
  modelsTitle: ["Models and devices", "模型与设备"],
  ready: ["ready", "就绪"],
  notReady: ["not ready", "未就绪"],
  replicas: ["· {n} replica|· {n} replicas", "· {n} 个副本"],
  defaultModel: ["default", "默认"],
  provider: ["Minutes", "纪要"],
  parked: ["{n} job waits for its minutes|{n} jobs wait for their minutes", "{n} 个任务等待纪要"],
  noneParked: ["No minutes wait.", "没有等待的纪要。"],
  resume: ["Write them now", "立即撰写"],
  resumed: ["The provider is being asked again.", "正在重新请求纪要服务。"],
  draining: ["Draining", "排空"],
  drainOff: ["New jobs are begun as they come.", "新任务正常开始处理。"],
  drainOn: ["No new jobs are begun; {n} is in hand.|No new jobs are begun; {n} are in hand.", "不再开始新任务；还有 {n} 个在处理。"],
  drainBegin: ["Begin to drain", "开始排空"],
  drainEnd: ["Begin jobs again", "恢复处理"],
  quarantine: ["Quarantine", "隔离区"],
  quarantineHint: ["Passages that could not be transcribed after every attempt.", "多次尝试后仍无法转写的片段。"],
  quarantineEmpty: ["Nothing is in quarantine.", "隔离区为空。"],
  passage: ["Passage", "片段"],
  error: ["Error", "错误"],
  attempts: ["{n} attempt|{n} attempts", "{n} 次尝试"],
  listen: ["Listen to {name} at {time}", "试听 {name} {time} 处"],
  replay: ["Transcribe again", "重新转写"],
  replayJob: ["Transcribe what failed of {name} again", "重新转写 {name} 中失败的片段"],
  replayed: ["A new job transcribes it again.", "已新建任务重新转写。"],
  recentErrors: ["Failed lately", "最近失败"],
  noErrors: ["No job has failed.", "没有失败的任务。"],
  reason: ["Reason", "原因"],
  when: ["When", "时间"],
  notAllowed: ["Your key may not see this.", "您的密钥无权查看。"],
  measures: ["Measures", "指标"],
  measuresHint: ["What Prometheus reads from /metrics.", "Prometheus 从 /metrics 读取的内容。"],
  metric: ["Metric", "指标"],
  value: ["Value", "值"],

  // Troubles
  unreachable: ["The server does not answer.", "服务器没有响应。"],
};

let column = 0;

/** For numbers and times: English as the browser's owner writes it. */
export const locale = () => (column ? "zh-CN" : navigator.language.startsWith("en") ? navigator.language : "en-GB");

export function setLanguage(language) {
  column = language === "zh" ? 1 : 0;
  tastes.set("language", language);
  document.documentElement.lang = column ? "zh-CN" : "en";
}

export function language() {
  return column ? "zh" : "en";
}

setLanguage(tastes.get("language", navigator.language.startsWith("zh") ? "zh" : "en"));

/** The console's word for a key, its braces filled from `values`; `values.n` chooses singular or plural. */
export function t(key, values = {}) {
  const word = WORDS[key]?.[column];
  if (word === undefined) throw new Error(`no word ${key}`);
  const forms = word.split("|");
  const form = forms.length > 1 && values.n !== 1 ? forms[1] : forms[0];
  return form.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
}

/** The same for a key made at run time; what has no word stays as it is. */
export function named(prefix, name) {
  return WORDS[`${prefix}_${name}`] ? t(`${prefix}_${name}`) : name;
}
