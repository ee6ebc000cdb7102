/// Several inputs and outputs, and names that are of no use.
module CnnCluster.Tests.Dsl.InputsTests

open Expecto
open CnnCluster.Dsl
open CnnCluster.Tests.Dsl.Scripts
open CnnCluster.Tests.Dsl.LayerReferences
open CnnCluster.Tests.Dsl.Checks

[<Tests>]
let inputsAndOutputs =
    testList
        "Dsl.Checking inputs and outputs"
        [ test "behind a second input nothing is the current value" {
              let result =
                  Script.Check(source (network "input a 8\ninput b 4\ndense 3"), catalogues)

              Expect.stringContains result.Text "behind a second input" "text"
          }
          test "several outputs have names; without 'output' the last value is it" {
              let plan =
                  plan (
                      network
                          "input a 8\ninput b 4\nconcat a b\ndense 3 as x\noutput age\nfrom a\ndense 2\noutput sex\nfrom x"
                  )

              Expect.equal
                  ([ for output in plan.Outputs -> output.Name, Shape.text (plan.ShapeOf output.Source) ])
                  [ "age", "3"; "sex", "2" ]
                  "outputs"

              Expect.equal
                  ([ for o in (Scripts.plan (network "input 8\ndense 3")).Outputs -> o.Name ])
                  [ "output" ]
                  "default"
          }
          test "names of inputs and outputs are used once" {
              refused (network "input a 8\ninput a 4\nadd a a") "there is an input 'a' already"
              refused (network "input 8\noutput x\ndense 3\noutput x") "there is an output 'x' already"
          }
          test "what is named, defined or computed for nothing is worth a warning" {
              let warned body = messages (network body)

              Expect.equal
                  (warned "input 8\nlet n = 3\ndense 4 as x\ndense 3")
                  [ "the number 'n' is never used"; "the value 'x' is never used" ]
                  "names"

              Expect.equal
                  (warned "input 8 as x\ndense 4\nfrom x\ndense 3")
                  [ "'dense1' leads to no output: nothing takes its value" ]
                  "layers"

              Expect.equal
                  (warned "input a 8\ninput b 8\nfrom a\ndense 3")
                  [ "the input 'b' leads to no output" ]
                  "inputs"

              Expect.equal
                  (warned "input 8\nlet n = 3\nif n > 2 { let n = 4\ndense n }")
                  [ "'n' has a meaning already, which this one hides" ]
                  "hidden"

              Expect.equal
                  (messages ("block b(n) { dense 3 }\nblock c() { relu }\n" + network "input 8\nb 3"))
                  [ "the parameter 'n' is never used"; "'c' is never used" ]
                  "blocks"
          }
          test "repeat takes values and words by their names" {
              let plan =
                  plan (
                      network
                          "input 8x8x1\nconv 2 3 as a\nconv 3 3 as b\nrepeat skip, act in [a relu; b tanh] { conv skip.channels 1 act\nfrom skip }\nflatten"
                  )

              Expect.equal plan.Nodes[2].Activation.Value.Definition.Name "relu" "act"
          } ]
