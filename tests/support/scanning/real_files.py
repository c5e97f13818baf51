"""Small real files that no tool here writes: other programs made them.

Pure. The PDF documents are one empty page, encrypted by pypdf 6, with a user password and without;
the archives were made by 7-Zip 26.02 of two small texts; ``locked`` ones have a password.
"""

from __future__ import annotations

import base64
import zlib


def _file(packed: str) -> bytes:
    return zlib.decompress(base64.b64decode(packed))


PDF_DOCUMENTS = {
    ("RC4-40", ""): _file(
        "eNqNUU1v1DAQvftXzGWP1ONvW4r2QNuVEKCu0sIF9eDEk2XRKqmyXqnlT3LgH8AfwQlQIpYDkSNZb+a9Gb+32l5t"
        "XogLxVbfvn/5ygQgDM0nVlWMb8chnVoaoUKNMbU2RFyz9ZpRn6Yeuei9e3og4Nu4oyPjl8OpzyAYf71PR/gAujTW"
        "cL+gqjPqZczxMOzYTw2YtOsFQf9zFuM1HYfT2BZGqZR2/pbSPr4cHstYvMD5d3I695P0SGWxv7XNQvv9tHYNkvE3"
        "1O/yR9BYeKBl0ME6GUphsz/kYgq/zbFPcUyM30DVBqmltN51sSWy3pJyqhPYmNYl1E55NEoY2TmSRApJiOIntVpL"
        "42xsyubvoIqIHkMXvEQpHJZxwpEKwgdlNAaUutESRcCgnbDJRukp2kY6E6z1wS/TeRypYwiW4fMH1hhloINnTJS3"
        "z5X+D2bCGSaEP8esO8PkkpvHuD/QONt6u/9MZRVeD0MGNfvPX/XdAOLX/arkVfkUWkxO+8a1QZAMoTguDIkkFWlS"
        "6/9pKTlf9+349JDB/A76mOOYZ0NKEmy1ur7ZsB+q778h"
    ),
    ("RC4-40", "secret"): _file(
        "eNqNUk1v1DAQvftXzGWP1F9jJ5aiPdB2JQSoq7RwQT049nhZtEqqrFdq+ZMc+AfwR3AClIjlgGVL1pv33oxnvNpe"
        "bV7IC81W375/+cokCBi6T6xpGN+OQzwFGqHxXidrrdFqzdZrRn2cOGrBvXt6IOBbv6Mj45fDqc8gGX+9j0f4AFiI"
        "LdwvpPpMeumzPww79tMDJu92IcB/5mK8peNwGkNRlEih87cU9/7l8FjSigsxn0pN+36yHqkU9re3WXi/n8puQTH+"
        "hvpd/ggoig5QOXS2Uq4ENvtDLk3ht9n30Y+R8RtonEokEqJBHzE4i2idTloHUYXOYDJ1FQNJUrYuTEeBvJWi8pKS"
        "1SLGUvk7aCQ6jCQrGWS5dClGk5yXtUFTSx1CUBSiMK4OFAUiobcpSVuSauNTVy+n8zhSYgIsE88LrDHaQIJnTJa3"
        "z5H+D2bcGSZlfY7Z6gxTS20e/f5A49zW2/1nKqXwdhgy6Ln//FWfBpC/7ldlXk0nUSlVV8YFrW0tkjeiwyr4oDtN"
        "0a7/h1LmfN2H8ekhg/k96GP2Y54bglX56avrmw37AQi5w24="
    ),
    ("RC4-128", ""): _file(
        "eNqNUc1u1DAYvPspvsseqf/tWIr2QNuVEKCutoUL6uFL/HkJWiVV1iu1vCQH3gBeBCdAiVgORI6UzDcztmdW26vN"
        "C3mh2erb9y9fmQQBQ/OJ1TXj23GIp5ZGqJXQDVnXJLtm6zWjPk4cteDePT0Q8C3u6cj45XDqM0jGX3fxCB/AFOIO"
        "7hdSfSa9xIyHYc9+esDkvVsIzD/3YnxHx+E0tkVRJoXO31Ls8OXwWLYVF2J+vZrW/WQ9UjnY39524f0eVDEFzfgb"
        "6vf5I0hVFSEYFUxwXoUy3nSHXFLhtxn7iGNk/AZq61zCymsirVsffBt1E4RJEWOqpMGE2sQUUFfJUTSyCZUh1bqI"
        "CtFNwfJ3UDfByRSDVBhiwVWwDSnt0Pjk2uRJVU0yZMmQtxUa6YwQ5d+llFBIUS3reRwpMQGOiecHnLXaQoJnTJbL"
        "z5P+D2bDGSZldY45f4appTaP2B1onHO97T5TOQrfDUMGPRfAX/VpAPnr+6oUVqMzbeud0xRaYWVyUluDQaspR5v8"
        "+n8opejrvh2fHjLY300fM455DsR4w1ar65sN+wEr1sRc"
    ),
    ("RC4-128", "secret"): _file(
        "eNqNUU2P0zAQvftXzKVH1l9jO5aiHtjdSgjQVt2FC9qDHY9LUZWsUlfa5U9y4B/AH8ENsESUA1YsJW/eezOZt1hf"
        "rV7IC80W375/+cokCBjiJ9a2jK/HIR07GqHFrsuWYgxmyZZLRn06cdSMe/f0QMDXYUsHxi+HY19AMv56lw7wAbAS"
        "N3A/k+oz6WUoYT9s2U8POHlvZgL8Zy/GN3QYjmNXFbVS6fwtpV14OTzWtuJCTNep03N/sh6pDva3t5l5vwdVTUEz"
        "/ob6bfkIUjVVCKg8euuUr+XVbl/qVvhtCX0KY2L8BlqRommMyZ3RyhrryVnjhe1CtkhY5QE7JZIl721OlL3V5KMR"
        "jcieRKPr6O+gjUGQRN+IlChoQ5YoWhtdg0rqHOswMSMZQnKmCSgtClG/bc45CCmaeTyPI2UmwDLxfMAaow1keMZk"
        "/fmp0v/BjD/DpGzOMevOMDXXljHs9jROe73dfaY6Ct8MQwE9BcBf9XkA+ev9qgbWxuiixSwwhbpNbY1zPpNKGhPG"
        "JM3yfyg16Ou+G58eCpjfSR9KGMu0EHTIFovrmxX7AXm7xAU="
    ),
    ("AES-128", ""): _file(
        "eNqNUktu2zAQ3fMU3HjZ8P8RYBhI/QGKNrBht9kUWYzEoePClQxZLpJesoveoL1IR07qGHEXJUSBM5z3ZvhmBovJ"
        "7I26Mmzw6/ePn0xxyZvyCxsOmVi0TTpU2PJhVIUBq9H46LCKTpZoHGr0UZbBZu+TVpWx3rqgIjjQPqUQSltgjKaA"
        "MGKjEcM69cz6LMPHxx1ysYA17pkYN4e644qJ95u055+5pcAlvzuDmgvoGDrYNmv2xMF77uUZwP4zFxNL3DeHtiIE"
        "3VC4uMG0gbfNA6WVV/K4g+6/u566RSrsNbc7477llkj73wes1909VzoSkFtd2MIHXWgmZpttR1qKVQd1gjYxMedD"
        "532GGAyiMVUoQpVMWUibE6QclYUMxqZcgInZY7KqLKJFXfkEGsBnR6V/4kMkfEqGgmyhS2pJKEErhCpVKRuZdSyz"
        "RYcWg4tglbdSku1zziCVjMQynvVSUHHp+XR96O6n3/qHi0lTzXdY90E3XFxPV7f65aG+l6SXcNV9nfEngt5oT8aL"
        "ZA8tZia5Z/K0uHfOOJ75yadI2ONNffIpZS591JzXPq3Vhc+cY7sWNltsjz1bbb4jlSKWTdNxc2yueFfnhqvn84SG"
        "YYihzETiLemtqdbktYnJJx+idFGH0f+E0BBN66p93HXc/Z2ifQdtdxTEa8kGg+l8xv4AoeTqug=="
    ),
    ("AES-128", "secret"): _file(
        "eNqNU0tu2zAQ3fMU3HjZ8P8DDAOpP0DRBjbsNpsiC4ocOi5cyZDlIuklu+gN2ot05KSOEXdRQRI4w3lvhm+Gg8Vk"
        "9kZcKTL49fvHTyIop031hQyHhC3aJh8StHQYU64gGikq77QFKRI3Ovgq8mBNkUpIowSEAFY5h24vfSyQMELY4CWM"
        "yGhEoM49szzL8PFxB5Qt4hr2hI2bQ91RQdj7Td7Tz1Rj4JLenUHVBXQcu7ht1uSJg/bcyzOA/mcuwpawbw5tQgTu"
        "YDi7gbyJb5sHTMuv+PFzsn/veuoWsLDX3OaM+5ZqJO1/H6Bed/dUSI9AqmXQwToZJGGzzbZDLdmqi3WObSZsToc8"
        "V8YbU5JR0hobwFkTuE2xWA0a4VEnybNFbW3JUIJVECrDPS8BuFdY+ic69EVDJV2onMA22eggmMi5i8IJL3mUvsII"
        "Axqc8VELqzlH25ZSIhfcI8t41kuBxeXn1fWhu59+6w/OJk2a76Dug24ou56ubuXLQW0vSS/hqvs6o08EvdGejBfJ"
        "HloohFNL+Omh1hhlaKEnn0Bhjzv1ySeEuvRhc177pBQXPnWO7dq42UJ77Nlq8x2wFLZsmo6qY3PZu7o0VDyvJzgM"
        "w8R5FFAqU4JLtvIJb4IyxalcgrIpjP4nBIdoWqf2cddR83eK9l1su6MgVnIyGEznM/IHUW3rlQ=="
    ),
    ("AES-256-R5", ""): _file(
        "eNqNU8tuFDEQvM9X+JIjTLfbT2kVKSS7EgKUKAEuiIMf7WRR2IkmE0T4SQ78AfwIPZsQVgkHRjMju9xd7S6X906O"
        "Vs/wOXV7P399/9GhAjXkT91i0fUn41BvCo9qoYGr15AgmErO+KAhOmcMZMPesLONELRA1RP7kKsN0SRbgrYlkef9"
        "bn+/402dmfVOhbe3V6z6k3TO111/ONxsJoVd/2pdr9UHZSTwVH3cSaUnqYdpSpfDeXfHoWbu050E889aXX/K18PN"
        "WCRDViS8f8N1nV4MX6UsPIft5/X8fpypR5aNPea2O9zvlRXS+feaN+fThdLWSaIyOprovI6661fry0m07M+mtKlp"
        "rF1/rBYWAYsxMSPkYouG4lJwUGMs2DC5Ar5xgEysKzqXkktASBJTI4cWWsEajSNMnF2DICdgWLP2kci2itLaO7VA"
        "YOtqtYlj0CZUqM3H5nS0UBo5iAm01+SqoxqLdj4bHy1WjozWAyKz5RwMVshaR2qUKuBsgVKkUpEqh6tZSmmu3o8O"
        "bqaL5ZdZuP5oKMdXvJmD3qj+YHn2nh6EIj1LOh/B2fR5pe4I5sn4d3K8VItMrTQLqQA5JCqmyeaAGrOX3qMLHjik"
        "ADGImrZYL92iLHnrGVrcCiE03DDXCMHWUJzAnnM1ZEP2xluLqJsJwQipIZ1DRHli4ITkvC01R6E54fGz+CaAkEOZ"
        "dXBR9KEsJAJFUTlh1ruW/zpy60C5Dh4e5awlq5p6wFAMtV3ZPGCI9BQTUz7GtMYnGO3mTmNaX/K49erZ+hvLVvrT"
        "YZgUbU3dv9y0QeH9+EguwcKLz5J4KGrShrG2TNA8t1KSttGY/f8Jkcuz3JTx9mpS9s/tuZ7SOG0FCS50e3vL41X3"
        "G8fnKus="
    ),
    ("AES-256-R5", "secret"): _file(
        "eNqNU8tuHDcQvM9X8KJjPM1H8wEsBDjSLhAkhgQp8SXwodlsyhvIO8JoFNj5yRzyB8mPpGftKAsrh8wLnGZXNbtY"
        "PLu+3H1jX/nh7M+/fv9jsAbMVH8ZNpthvJ6n9sQymw2ztVAyEjZno6ToEKtPGIuNUEkEkdF78iLiPPrQXSschEVs"
        "Qgfnw/n5IIe2MruTCj9+ehAzXtOdPA7jxfR0WIwdxu/37dH8bIIm3ph3J1D/AnpBC91Pd8NnDrNy35wAwn/WGsYb"
        "eZyeZlaEzmj6+Ebanr6dPmpZeAXHN7n1ebdSz6IL+5obT7jfGlTS9fODHO6W98ZhVKAJroQSkytuGHf7+0W1HG8X"
        "OjSa2zBemU2G5CzqPEQoDouLnoBUumYldU+l2ZoDBetcBcGcBKOwAwHObCEljpgpReQKxEKYeweprYD4KtC0tZ/M"
        "BpSramaAXCgD9BQCVccp1VpZN48K2s6RUmCLkqGTddCjUtnmbWu2QAZdGnEopUnWG4SEWm4h+K5VLnarlNpc+zJ6"
        "/bS83/66CjdeTnz1IIc16Y0ZX29v3/pnobxbJV234Hb5sDOfCdaf+d+fq63ZFPbiqXPIaDN2y7GlYCW6LC1mlwuq"
        "9wo1bTqJBA4pFtcS9xx98MCrEErjuKdWVS2pmANUxXElK9qt86qHz43FcWTrksLAegxFeog9ItXqleZa5g/qm+AY"
        "kLJl52OmViKpxCF5FReaC/nU8h9n6QOYOMDzZSKiR9PNc8yqoY4zh+eYtf5lTE35dcw5+yLmT7HLTPt7mY9evd3/"
        "JrqU8WaaFuOPph6/O/TJ2C/jSz0EG4yBoULLxQVafaLdNZRAyE2Sb+f/J0UPz/bA86eHxeA/p+dxoXk5CpJjHs7O"
        "tle74W9PpzAn"
    ),
    ("AES-256", ""): _file(
        "eNqNU81OGzEQvu9T+JJj2bE94x8pQqKQSFWLiJKWS8XBv5AKsmhZKuhL9tA3aF+ks4GmEfTQlVeyxzOfZ775ZrI4"
        "mb+RB7qZ/Pz1/UcjBYgufmmm06Zd9F2+T6UX0xQS5WiNISAsZLMhqxKqGG2R5EN0uSRM4Hz1Bq1EqjUgoIViasV8"
        "2BweNmWTR2S198LHx9si2kW4LHdNe9zdbwYhm/b9Ot+JzwLZcSku9kL1q9DjMITr7rJ5whAj9nIvAP/5VtMuy113"
        "3yeO4Bt2b09LXoe33QM/Cwew/a0a18UI3RdO7CU27WGfC2JQYZr2Q9lcDldCEe8XApVHb6zyqmnn6+uBuWxXQ9jk"
        "0OemPWNiIaHEbMnH4FI13kkLSaUMKXuSwVoDLgRZlayG0OngPKBzKL1KvjgmHlwJIXgEAIVFUdIZKphkKZXApX0S"
        "08y9AolIpoDDmFWQQJq4WZAKeAdgtY9RZ29DJAU1RKVRapucqZS1NdzjPLrZGiMSKE4lcxzjUYnc3vZ4PlLJxeXn"
        "3dH9cDX7OhLXnnTp7LZsRqdT0R7NVud6R5RWI6VjC1bDzVw8AYyH/u/hbCamVWOtRfmgWWnWS86APEanradEMSdV"
        "OEmKoCNF9ElGZWVRxhpJ2TkzEsEwVBxEo0mDI5280bpGNJ4ce3IhMemAvlZtbMRopSueCKCi9RlRbmEWpb9h3cSa"
        "DDcXMCWbZCWflSXLICYF0MXvS/6hL7UBlgfsPmGIOyCq2NkkC2p7s9nZpNSvbSzKlzal5Cub3o8d+rC+Lv1Wq6v1"
        "tzIqddl1g9BbUbfvNrUT8nl/wkMwLSwSHVFySTpbFZkwSSwQw5IJPPWH/+PCwzPbpP7xdhD0Z3ruhtAPW0Kccc1k"
        "MjubN78BzYArHw=="
    ),
    ("AES-256", "secret"): _file(
        "eNqNU81uEzEQvvspfMmRrsf/lqJIpU0kBFWiBHpBPfhn3Aa12WqzQS0vyYE3gBdhNi0hajmw2l3Z45lvZr75PFqc"
        "z97AiWKjn7++/2DABW/TFzYes2bRtWWXsePjLJPVELLWxSQICLLI6Kr2CapRWJzwJeXkggCEolDYlFSuFYt3MSU7"
        "YZMJw00ZkOVRho+P98ibRbzGLWvO2t2m58Ca9+uy5Z+5JsclvzoKVa9Cz2Ifb9tr9oTBB+zlUYD+Zy7WLHHb7rpM"
        "EXRC7s0FlnV82z5QWnEi9p+Tw3s1QHdIhb3ENkfYl9wQKLes+YCb6/6GS0PrBdcy6GCdDJI1s/VtT1w2qz5uSuwK"
        "a+Z8bBF8TtWWmktQoBUqqIBSSZ+ttEokHxUi/WNQyWQvwGQh4nAipMzJW+JdENcAxkUsUloTdA3S6UDzoNY+8bEx"
        "UmoRS062JgSqStmiXY6u0I5Sm6q1TSpkmpqgcYKLTkRH2MqHgK6iCcJQlVFaryB7sDlnE3PRVChSlrPZQCU1V55X"
        "p7v+Zvp1IK45b/P8HjeD0wVvTqerS3UgSsmB0mEEq/5uxp8Ahk33dzOfUgtJZx21D6KUCLYUVMJH6dECpCRDdjLm"
        "HKvH4LIp1EI0FUis0dDr60DEAONDyV4KF7TwwcoaAngIoRgPUdisrN1zEbQpwSTCQTCFEIhlTbMkmAV2d6QbF8FJ"
        "icSGdMoo7aMutiIIrQMQQ8eSf+iwMkHyEIeHW2OU4ZUfbECC2p9sDjYA9dpGonxpkxJe2dRxbN/F9S12e62u1t9w"
        "UOqybXuu9qJu3m1qy+F5fU6XYJy8UeClKVVFkkmJ2bisggioDYBIk/9xocsz3eTu8b7n5s/t2fax6/eEeOvZaDSd"
        "z9hv+2kuuw=="
    ),
}

ARCHIVES = {
    "plain.7z": _file(
        "eNozr9qzXl2GgWXuhPxkUwYICILS8pd/Czxg3M+gG8tgIun5rveleKeVcfzfby6PrsrMDQv4/bis7e5ZDa8Dlrck"
        "Z30+dZh7UcyGrqAbQI2MLGwMjJymDOzcjAyMioqMDDyNBxg4uBhXv05/wsDAyijJzYAAgrwMSQx6DCUMFUDMwCDC"
        "xcjQ8FV77Zz6u4yibIwMCg1LGhkYAJLBLY0="
    ),
    "locked.7z": _file(
        "eNozr9qzXl2GgSV4/uabDgwQkASlLzB/2pTrN8U8/0HcVc2XCyavFrnmqObwNse1ddd3xguTd/mb8/zPXrZi2Tfp"
        "Cr6NhyeWTrh6JC7ve93XH283y2wpDry8asrvXYwsbAyMnA4M7NyMDEwqbB/ZGYWC+a9eWj2LJVYye5GJwdan3qd8"
        "FBUZGRgZeEwbDzBwcDGufp3+hIGBlVGSQZAX6BY9hhKGCiBmYBDhYmRo+Kq9dk79XUZRNkYGhYYljQwMAM2gQsg="
    ),
    "hidden.7z": _file(
        "eNozr9qzXl2GgYXdcXXQBgYI0IPSbIyskq7ZMc8MxNx2CerKa+21vR49T+1hXXFHoTRnZtmlIycSb7xvK2te/F0u"
        "gMlop/VyF47Zh47JtD9piZG9zsa6n2OK6w37zKvF+W9M7lqHNh/4LLHk4V/ONQ9XpdxY3aXazbKhLLHittL8cv2n"
        "KbMnSQb8tAvb58fulHROfPFUgcyTfjvDJmww+LZuR1V6QCebwM3ns+tsXPmu3Huxm3/+0ibVUsuzTur2NxXMwoIW"
        "PmA4tvDX00MXVi15J87mwMhZwMDOzcjAqML2kZ1RKJh/mUT0uoKMTzyclqt1zN5q3+VJ4mJku35nDwMDAGPyZsY="
    ),
    "eicar.7z": _file(
        "eNoBHAHj/jd6vK8nHAAE4JT8MtwAAAAAAAAAIAAAAAAAAAC1ch/d4AIDAG9dADQZSe6N6ReJOjNf/fZE4tUcnVZQ"
        "++N2ht3NKErAOdoZmvPKwwuiXLCKab8I6PwZ1No4+txquQJnfG6xyoH72mq2yoRZpsL+ocuy6zZ3FOB91vsJqYtg"
        "XtbmyA59BKy0RBSO4uMLMh5XV+sVxJDD7wAAAIEzB64P1LitJUIV9rNFfWlNj1GRZ0HYycu4a9UoZKgfhFAEGbZS"
        "iARSILnjdvzy6e+vy//pnZeupt5EUQLNM7+Z7NPsaJXiYTwUR6/rOzJz5UB1gD3Y6b6c/+a/qEGloAAAABcGdwEJ"
        "ZQAHCwEAASMDAQEFXQAQAAAMbgoBkV/QRgAAYdR/ZQ=="
    ),
    "Deflate64.zip": _file(
        "eNoL8GZmEWVgYOBkcGCvjV0d9/GGLpBnAcSsQJyoV1JREnryICeDAgfrhergP4wxXkEBAizdUfuz5eTPmygVbnbi"
        "6I7d4HvQ9Gy/0L48Cf4AVPNepz8xBfIOMELMSwKZ9/Q02Dy3h0DzmLdMWbJAgUNsa931WwovflTUaL1rFH0Zc/Gk"
        "hDPrFN9cr6Mb12vc3+1+hy3Am5HJnhmXS1UYIEChYUkjA8zdXAwKYEFGBgmGPR+V186pv8vIgAYwjEVxMLKxATDn"
        "Ixvb8FUbh7GsbCCaCQjXAekVYFEAUgBXpw=="
    ),
    "PPMd.zip": _file(
        "eNoL8GZmsWdgYEhicGCvjV0d9/GGGpBnAcSsQJyoV1JRws6Q/rs55LrpsUn3t2Wem9edw3pYh9m22V5iJav/HvPX"
        "0b4imwQYGAJQDXqd/sQIyDvACDEoiRiDfE7dDg7RE9H9et1w2+7Nkkd3Aw1lZLJnxuU+FQYIUGhY0sgAcy0XgwJY"
        "kJFBgmHPR+W1c+rvMjKgAQxjUVyLbKwnzO3IxjZ81cZhLCsbiGYCwnVAeh5YFACjuFWw"
    ),
    "XZ.zip": _file(
        "eNoL8GZm4WIAAQf22tjVcR9vWADZIMwKxIl6JRUlGak5OfkK5flFOSk6CsWJmSkKQCGFxKLkjMyyVB0FFGkkDlcA"
        "0GgRoCHxEKNfpz/JAfIOMEKMTgIZ/de8KiKKgYExU+meGRODIiPIHebq0689YNzPoBvLYCLp+a73pXinlXH8328u"
        "j67KzA0L+P24rO3uWQ2vA5a3JGd9PnWYe1HMhq6gG2AvMIAsYWB0PcAMMocjId3OgLebCSTBGBkV4M3IZM+My68q"
        "EAMYFBqWNDLAfM7FoAAWZGSQYNjzUXntnPq7jAxoAGIsLn8iGxsN8zWysQ1ftXEYy8oGopmAcB2QfgUWBQCb0GiN"
    ),
    "LZMA.zip": _file(
        "eNoL8GZmsWdgYuBjcGCvjV0d9/GGOQMDgwUQswJxol5JRYkUEytDLIMAkGsi6fmu96V4p5Vx/N9vLo+uyswNC/j9"
        "uKzt7lkNrwOWtyRnfT51mHP1p////3FuYAhANfl1+hMboBEHGCEmJ5FuMveimA1d09ON//9/eNwAaDwjkz0zLqer"
        "MECAQsOSRgaYR7gYFMCCjAwSDHs+Kq+dU3+XkQENYBiL4m5kY6NgvkA2tuGrNg5jWdlANBMQrgPSO8GiAMb9Y3M="
    ),
    "BZip2.zip": _file(
        "eNoL8GZm4WIAAQf22tjVcR9vWADZIMwKxIl6JRUlGak5OfkK5flFOSk6CsWJmSkKQCGFxKLkjMyyVB0FFGkkDlcA"
        "0Gg9oCE8EKNfpz+JAPIOMEKMTgIZ7RSVYWnoGKkWHPlxuboXA0NOYAODgAOLXsrcBgWGgoADDFyTFj6VW/zV/0pG"
        "TpXwgV+q/Eqtvd1iOgERB50SbkQcbHZuipjDeWGWhDrTUc4buydpHmpp77W0CgjwZmSyZ8blLxUGCFBoWNLIAPMl"
        "F4MCWJCRQYJhz0fltXPq7zIyoAGIsbj8hGxsNMyHyMY2fNXGYSwrG4hmAsJ1QPoaWBQAo6BkMQ=="
    ),
    "aes.zip": _file(
        "eNoL8GZmMWZgZEhmcGCvjWUAgkAgPsDIwMDKwM2QpFdSUcI4k52BicHRlZmDYfIjXXu+w4nM7/lKbtRNmNuxRPvL"
        "htlX5q91PHj3eU/ZH0kZhkMLs6+4nxEPDloosu3Yo/tSZ3c/yV0rzLQorHVieeLvma6/fwbO+XKTmf/8DVWZuyqf"
        "ArwZmeyZcTlAnwECFBqWNIJosHO4GBTAgowMEgwNX7XXzqm/y8iABpCcHODNygZRzsiQBKTrwQoAw+VApQ=="
    ),
}
