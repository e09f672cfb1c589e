"""Words that should not be torn, or that lean on a neighbour: enough to break lines as a reader would."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


PARTICLES = frozenset("的了吗嗎呢吧啊呀嘛们們")
"""Chinese that belongs to what stands before it."""

PLACES = frozenset("地得着著过過么麼啦哦哟喔噢之里裡上下中内內外前后後时時等边邊")
"""The same, but only where it is a word by itself: elsewhere it begins words."""

SUFFIXES = frozenset("者员員师師器机機率性型版包库庫线線站台部局院厅廳科系式件品剂劑症炎额額费費款券")
"""Chinese that more often ends a word than it begins one."""

LEANING = frozenset("在是把被和与與跟对對从從向给給让讓为為或很太更最不没沒一这這那每第几各")
"""Chinese that belongs to what follows it."""

LEANING_WORDS = _set(
    "基于 关于 对于 由于 按照 根据 通过 经过 为了 随着 作为 以及 或者 还有 包括 就是 都是 也是 这是 那是 而是 只是 还是 "
    "不断 已经 正在 非常 特别 比较 更加 越来 可以 应该 能够 需要 必须 一直 完全 共同 根本 不能 不会 不要 不想 不用 不可 没有 "
    "就会 都会 也会 还会 将会 可能 有点 有些 一些 这些 那些 这个 那个 每个 某个 多么 怎么 什么 如何 為了 關於 對於 經過 "
    "還有 沒有 不會 應該 這個 那個 這些 叫做 称为 决定 开始"
)
"""Chinese words that belong to what follows them."""

TRAILING = _set(
    "时候 時候 的话 的話 之后 之後 以后 以後 之前 以前 以来 以來 左右 以上 以下 以内 以外 为止 之间 之間 期间 而已 来说 來說 来讲 "
    "里面 裡面 上面 下面 外面 后面 前面 中间 之中 之下 之上 似的 一样"
)
"""Chinese words that belong to what stands before them."""

LEANING_ALONE = frozenset(
    "我你您他她它咱也都就还還又再才却卻并並已将將会會能可要想请請去来來到用由所被以于於与與某该該本两兩几幾多好真加连從"
)
"""The same, but only where it is a word by itself: elsewhere it ends words."""

OPENING = _set(
    "因为 所以 但是 但 如果 而且 然后 还是 就是 比如 例如 以及 或者 并且 不过 可是 虽然 那么 其实 尤其 特别 包括 同时 另外 "
    "只要 只有 除了 即使 尽管 由于 当然 首先 其次 最后 而是 还有 也就 要是 既然 否则 于是 因此 所谓"
)
"""Chinese that begins a new thought: a good place to break before."""

_COMMON = _set(
    "我们 你们 他们 她们 它们 咱们 大家 自己 别人 人家 今天 明天 昨天 现在 以前 以后 之前 之后 时候 时间 开始 结束 "
    "什么 怎么 这个 那个 这些 那些 这样 那样 这里 那里 哪里 这么 那么 多少 为什 一个 一些 一下 一点 一起 一直 一样 一定 "
    "一般 第一 可以 可能 应该 需要 必须 能够 愿意 想要 希望 觉得 认为 知道 了解 明白 发现 看到 听到 说到 提到 告诉 "
    "没有 不是 不会 不能 不要 不用 不同 不过 还是 就是 都是 也是 只是 但是 可是 如果 因为 所以 虽然 而且 然后 或者 "
    "并且 以及 比如 例如 其实 其他 其中 非常 特别 比较 已经 正在 刚才 马上 经常 总是 有时 常常 突然 终于 问题 事情 "
    "东西 地方 方面 方法 方式 情况 结果 原因 关系 影响 作用 意思 意义 办法 工作 学习 生活 公司 企业 市场 客户 用户 "
    "产品 服务 技术 系统 平台 数据 信息 网络 项目 团队 管理 发展 研究 分析 设计 开发 使用 应用 提供 支持 帮助 解决 "
    "中国 美国 国家 政府 社会 经济 文化 教育 学校 学生 老师 教授 医院 医生 病人 孩子 朋友 家庭 父母 先生 女士 小姐 "
    "世界 全球 国际 城市 北京 上海 地区 环境 安全 健康 身体 电话 手机 号码 电脑 软件 视频 音频 录音 语音 识别 模型 "
    "人工 智能 机器 自动 领域 行业 专业 重要 主要 基本 简单 复杂 容易 困难 清楚 特点 标准 水平 程度 质量 价格 成本 "
    "会议 报告 讨论 决定 计划 目标 任务 要求 条件 机会 能力 经验 过程 阶段 部分 内容 文章 故事 历史 未来 最近 目前 "
    "谢谢 感谢 欢迎 请问 麻烦 对不 不好 好的 高兴 喜欢 漂亮 出来 起来 下来 过来 过去 回来 进去 出去 上去 下去 关于 "
    "对于 由于 通过 根据 按照 为了 除了 包括 之间 里面 外面 上面 下面 前面 后面 旁边 中间 左右 百分 毫秒 分钟 小时 "
    "公里 万元 亿元 千万 几个 几百 所有 每个 每天 每年 今年 去年 明年 当时 当然 同时 同样 一切 任何 整个 全部 大概 "
    "大约 差不 最后 首先 其次 另外 甚至 尤其 基层 级别 差别 接受 医疗 话题 收听 节目 批准 "
    "增长 一遍 上个 下个 个月 上次 下次 这次 当前 那些 尽量 确实 真正 完全 直接 实现 进行 成为 作为 表示 介绍 继续 保持 提高 增加 减少 超过 达到"
)

SHORT_WORDS = _set(
    "a an the of to in on at by for from with and or but nor so as if than that this these those my your his her its "
    "our their is are was were be been am has have had will would can could should not no very i you he it we they "
    "who which when where because while"
)
"""English that belongs to what follows it."""

JOINING_WORDS = _set("and but or nor because so which that who when where while if than then though unless")
"""English that begins a new thought: a good place to break before."""

ABBREVIATED = _set("mr mrs ms dr prof st vs etc inc ltd jr sr no fig al approx")
"""What ends with a dot that ends no sentence."""

_TOGETHER = 0.25  # of how often two characters stand at all, how often they stand together, as the square of it


def pairs_of(text: str) -> frozenset[str]:
    """Collect the pairs of Chinese characters that should not be torn in *text*.

    To common words come those that the text itself keeps putting together, such as its own terms and names.
    """
    single, pairs = Counter(text), Counter(pairwise(text))
    own = {
        before + after
        for (before, after), count in pairs.items()
        if count > 1
        and before > "\u2fff" < after
        and count * count > _TOGETHER * single[before] * single[after]
        and (before + after).isalpha()
    }
    return _COMMON | own
