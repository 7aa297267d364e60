// make_torch FOLDER: writes small TorchScript files for tests, without Python. Most say their own types and shapes.
#include <ATen/ATen.h>
#include <torch/csrc/jit/api/module.h>

#include <fstream>
#include <iostream>

using torch::jit::Module;

static std::string folder;

static void save(const Module &module, const std::string &name, const std::string &inputs, const std::string &outputs) {
  torch::jit::ExtraFilesMap says{{"stadion.inputs", inputs}, {"stadion.outputs", outputs}};
  module.save(folder + "/" + name + ".pt", outputs.empty() ? torch::jit::ExtraFilesMap() : says);
}

static void make(const std::string &name, const std::string &inputs, const std::string &outputs,
                 const std::string &source) {
  Module module(name);
  module.define(source);
  save(module, name, inputs, outputs);
}

static void results() {
  make("add", "x:f32[-1,4] y:f32[-1,4]", "z:f32[-1,4]", "def forward(self, x, y):\n  return x + y\n");
  // Knows nothing of its types and shapes.
  make("plain", "", "", "def forward(self, x, y):\n  return x + y\n");
  make("tuple", "x:f32[-1] y:f32[-1]", "OUTPUT__0:f32[-1] OUTPUT__1:f32[-1]",
       "def forward(self, x, y):\n  return x + y, x - y\n");
  make("dict", "x:f32[-1] y:f32[-1]", "difference:f32[-1] sum:f32[-1]",
       "def forward(self, x, y) -> Dict[str, Tensor]:\n  return {'sum': x + y, 'difference': x - y, 'more': x}\n");
  make("list", "x:f32[-1] n:i64[]", "a:f32[-1] b:f32[-1]",
       "def forward(self, x, n) -> List[Tensor]:\n  r = [x]\n  for i in range(int(n)):\n    r.append(x + i)\n  return "
       "r\n");
  make("transpose", "x:f32[-1,-1]", "y:f32[-1,-1]", "def forward(self, x):\n  return x.t()\n");
  make("writes_input", "x:f32[-1] y:f32[-1]", "z:f32[-1]", "def forward(self, x, y):\n  x.add_(1.0)\n  return x + y\n");
  make("defaults", "x:f32[-1]", "y:f32[-1]",
       "def forward(self, x, by: float=2.0, bias: Optional[Tensor]=None):\n"
       "  y = x * by\n  if bias is not None:\n    y = y + bias\n  return y\n");
  make("no_input", "", "y:f32[3]", "def forward(self):\n  return torch.ones([3])\n");
  const std::string types[] = {"f32", "f16", "bf16", "f64", "i8", "i16", "i32", "i64", "u8", "bool"};
  for (const std::string &type : types)
    make("identity_" + type, "x:" + type + "[-1]", "y:" + type + "[-1]", "def forward(self, x):\n  return x\n");
}

static void failures() {
  // Has no end where an element is positive.
  make("loop", "x:f32[-1]", "y:f32[-1]",
       "def forward(self, x):\n  while bool(torch.any(x > 0)):\n    x = x * 1.0\n  return x\n");
  make("raises", "x:f32[-1]", "y:f32[-1]",
       "def forward(self, x):\n  assert not bool(torch.any(x < 0)), 'x is below zero'\n  return x\n");
  make("wrong_type", "x:f32[-1,4]", "y:f32[-1]", "def forward(self, x):\n  return torch.argmax(x, 1)\n");
  make("wrong_rank", "x:f32[-1,4]", "y:f32[-1,4]", "def forward(self, x):\n  return x.sum()\n");
  make("wrong_size", "x:f32[-1]", "y:f32[3]", "def forward(self, x):\n  return torch.cat([x, x])\n");
  make("wrong_name", "x:f32[-1]", "y:f32[-1]", "def forward(self, x) -> Dict[str, Tensor]:\n  return {'z': x}\n");
  make("sparse", "x:f32[-1]", "y:f32[-1]", "def forward(self, x):\n  return x.to_sparse()\n");
  // Refused as an input long before libtorch could add to it: 4 TiB.
  make("vast", "x:f32[1048576,1048576]", "y:f32[1048576,1048576]", "def forward(self, x):\n  return x + 1\n");
  make("huge", "x:f32[]", "y:f32[-1]", "def forward(self, x):\n  return x.expand([1000000000000000])\n");
  make("allocates", "x:f32[]", "y:f32[-1]", "def forward(self, x):\n  return torch.ones([1000000000000000])\n");
  make("returns_int", "x:f32[-1]", "y:f32[-1]", "def forward(self, x) -> int:\n  return 1\n");
  make("takes_list", "x:f32[-1]", "y:f32[-1]", "def forward(self, x: List[Tensor]):\n  return x[0]\n");
  make("no_forward", "x:f32[-1]", "y:f32[-1]", "def predict(self, x):\n  return x\n");
}

// Returns what scripts of a NamedTuple return; source text can't say that outside Python.
static void named_tuple() {
  Module module("named_tuple");
  auto graph = std::make_shared<torch::jit::Graph>();
  graph->addInput("self")->setType(module._ivalue()->type());
  auto *x = graph->addInput("x");
  auto *y = graph->addInput("y");
  auto type = c10::TupleType::createNamed(c10::QualifiedName("__torch__.Pair"), std::vector<std::string>{"sum", "copy"},
                                          {c10::TensorType::get(), c10::TensorType::get()});
  auto *sum = graph->insert(c10::Symbol::fromQualString("aten::add"), {x, y});
  auto *pair = graph->insertNode(graph->createTuple({sum, x}, type))->output();
  graph->registerOutput(pair);
  auto unit = module._ivalue()->compilation_unit();
  module.type()->addMethod(unit->create_function(c10::QualifiedName(*module.type()->name(), "forward"), graph));
  save(module, "named_tuple", "x:f32[-1] y:f32[-1]", "copy:f32[-1] sum:f32[-1]");
}

static at::Tensor parameter(Module &module, const std::string &name, at::IntArrayRef sizes) {
  at::Tensor value = at::randn(sizes) * 0.2;
  module.register_parameter(name, value, false);
  return value;
}

// A little network for images, with what it answers to sin(0), sin(1), ...: computed without TorchScript.
static void cnn() {
  Module module("cnn");
  auto w1 = parameter(module, "w1", {8, 1, 3, 3}), w2 = parameter(module, "w2", {16, 8, 3, 3});
  auto mean = parameter(module, "mean", {8}), w3 = parameter(module, "w3", {4, 16});
  at::Tensor variance = at::ones({8});
  module.register_buffer("variance", variance);
  module.define("def forward(self, image):\n"
                "  x = torch.conv2d(image, self.w1, None, [1, 1], [1, 1], [1, 1], 1)\n"
                "  x = torch.batch_norm(x, None, None, self.mean, self.variance, False, 0.1, 0.00001, False)\n"
                "  x = torch.max_pool2d(torch.relu(x), [2, 2], [2, 2], [0, 0], [1, 1], False)\n"
                "  x = torch.relu(torch.conv2d(x, self.w2, None, [2, 2], [1, 1], [1, 1], 1))\n"
                "  return torch.softmax(torch.matmul(torch.mean(x, [2, 3]), self.w3.t()), 1)\n");
  save(module, "cnn", "image:f32[-1,1,28,28]", "prob:f32[-1,4]");

  at::Tensor image = at::arange(3 * 28 * 28, at::kFloat).sin().view({3, 1, 28, 28});
  at::Tensor x = at::batch_norm(at::conv2d(image, w1, {}, 1, 1), {}, {}, mean, variance, false, 0.1, 0.00001, false);
  x = at::relu(at::conv2d(at::max_pool2d(at::relu(x), 2), w2, {}, 2, 1));
  at::Tensor prob = at::softmax(at::matmul(x.mean({2, 3}), w3.t()), 1).contiguous();
  std::ofstream(folder + "/cnn.expected", std::ios::binary)
      .write(static_cast<const char *>(prob.data_ptr()), static_cast<std::streamsize>(prob.nbytes()));
}

// y is x, negated within so many Ifs if c is true.
static void nested(int depth) {
  std::string source = "def forward(self, c, x):\n  y = x\n", indent = "  ";
  for (int level = 0; level < depth; level++, indent += "  ") source += indent + "if bool(c):\n";
  make("nested", "c:bool[] x:f32[2]", "y:f32[2]", source + indent + "y = -x\n  return y\n");
}

// 32 MB of weights in blocks that malloc keeps when they are freed.
static void weights() {
  Module module("weights");
  std::string source = "def forward(self, x):\n";
  for (int i = 0; i < 500; i++) {
    std::string name = "w" + std::to_string(i);
    parameter(module, name, {16384});
    source += "  x = x + self." + name + "\n";
  }
  module.define(source + "  return x\n");
  save(module, "weights", "x:f32[16384]", "y:f32[16384]");
}

int main(int count, char **words) {
  if (count != 2) {
    std::cerr << "usage: make_torch FOLDER\n";
    return 2;
  }
  folder = words[1];
  at::manual_seed(1);
  results();
  named_tuple();
  cnn();
  weights();
  nested(20);
  failures();
}
